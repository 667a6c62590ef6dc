"""Words that do not belong in the project: marks of unfinished work, paths of one machine, hosts of registries."""

import re

import policy

# The patterns are written so that they do not match themselves.
WORDS = {
    "a mark of unfinished work": r"\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b",
    "a path of one machine": r"(?:^|[\s\"'`(=:])/(?:wor[k]|hom[e]|roo[t]|User[s]|far[m])(?:/|$)",
    "a fixed temporary path": r"(?:^|[\s\"'`(=:])/(?:var/)?tm[p]/",
    "a host of a registry": r"\b(?:registr[y]\.|[\w.-]*\b(?:npmj[s]|pyp[i]|pythonhoste[d]|artifactor[y])\.|"
                            r"(?:de[b]|securit[y]|snapsho[t]|ft[p])\.debian\.org|\w+-docker\.pkg\.dev)",
    "a word of another place": r"(?i)\.librar[y]/|\bsub[a]gent\b|\bfarm[-](?:bench|studio)\b",
    "white space at a line's end": r"[ \t]+$",
}
BINARY = ("*.png", "*.ico", "*.woff2", "*.npy", "*.bin", "tests/fuzz/corpus/*/*")


def check(tree):
    violations = []
    binary = set(policy.files(tree, *BINARY))
    for name in policy.files(tree):
        if name in binary:
            continue
        for number, line in policy.numbered(tree, name):
            for what, pattern in WORDS.items():
                if re.search(pattern, line):
                    violations.append(f"{name}:{number}: {what}: {line.strip()[:100]}")
    return violations


policy.run(check, [
    ("a mark in code", policy.append("core/planted.c", "/* " + "TO" + "DO later */\n"), "a mark of unfinished work"),
    ("a mark in a document", policy.append("docs/planted.md", "FIX" + "ME\n"), "a mark of unfinished work"),
    ("a machine's path", policy.append("tests/planted.py", "open('/" + "work/x')\n"), "a path of one machine"),
    ("a home", policy.append("run", "cd /" + "home/me\n"), "run:"),
    ("a fixed temporary file", policy.append("test", "echo >/" + "x; cat /" + "tmp/x\n"), "a fixed temporary path"),
    ("a registry", policy.append("tests/browser/planted.json", '"https://registry' + '.npm' + 'js.org/"\n'),
     "a host of"),
    ("a mirror", policy.append("Dockerfile", "# http://deb" + ".debian.org/debian\n"), "a host of"),
    ("a blank at the end", policy.append("README.md", "word \n"), "white space"),
])
