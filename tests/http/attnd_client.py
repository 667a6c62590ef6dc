"""A server under test and a client that hides nothing.

Server starts the program named by the environment variable ATTND_BINARY on a free port and stops it again; a stop that
does not end with exit code 0, or that leaves a sanitizer's report behind, is a failure. Connection is an HTTP/1.1
client on a bare socket: it sends exactly the bytes it is given and reads one response after the other, checking the
framing on the way. Every wait has an end; ATTND_PATIENCE (a factor, 1 by default) stretches them for slow builds.

A test script is a list of claims: Claims counts them, prints one line each and ends the program.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

PATIENCE = float(os.environ.get("ATTND_PATIENCE", "1"))
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:",
           "Assertion ", "stack smashing")


class Failure(AssertionError):
    """A claim that does not hold; the text says what was sent, what came and what was due."""


def expect(condition, message):
    if not condition:
        raise Failure(message() if callable(message) else message)


def excerpt(data, limit=400):
    """Bytes or text for a message: printable, and cut in the middle."""
    text = data.decode("utf-8", "backslashreplace") if isinstance(data, (bytes, bytearray)) else str(data)
    return text if len(text) <= limit else f"{text[:limit * 2 // 3]} … {text[-limit // 3:]} ({len(text)} characters)"


class Claims:
    """Counts claims; `check` runs one."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.started = time.monotonic()

    def check(self, claim, function, *args):
        """Runs `function`; the claim holds if it raises nothing. Its result, or None."""
        try:
            result = function(*args)
        except (Failure, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError,
                subprocess.SubprocessError) as error:
            self.failed += 1
            where = "" if isinstance(error, Failure) else f"{type(error).__name__} at {place(error)}: "
            print(f"FAIL  {claim}: {where}{error}", flush=True)
            self.stop_if_dead()
            return None
        self.passed += 1
        print(f"ok    {claim}", flush=True)
        return result

    def stop_if_dead(self):
        """What is asked of a server that has crashed fails too; one line says so in place of all of them."""
        for server in Server.running:
            code = server.process.poll()
            if code is not None:
                print(f"FAIL  the server died ({code}), the rest is not tried: {excerpt(server.log_text()[-3000:], 3000)}")
                self.failed += 1
                self.finish()

    def finish(self):
        for server in list(Server.running):
            server.kill()
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


def place(error):
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in reversed(frames[-3:]))


def binary():
    path = os.environ.get("ATTND_BINARY")
    if not path or not os.access(path, os.X_OK):
        print("ATTND_BINARY must name the attnd program to test", file=sys.stderr)
        sys.exit(2)
    return path


def wait_until(condition, seconds, step=0.02):
    """Polls until `condition()` is true; its last value."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(step)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One running attnd; `with Server("--threads", "2") as server:` also stops it."""

    running = []  # those that nobody has asked to end

    def __init__(self, *flags, env=None, port_flag=True, quiet=False):
        """`quiet`: nothing but warnings is logged, not even where it listens; a free port is chosen for it."""
        self.quiet_port = free_port() if quiet else None
        if quiet:
            flags, port_flag = ("--port", self.quiet_port, "--log-level", "warn", *flags), False
        self.log = tempfile.TemporaryFile(prefix="attnd-log-")
        command = [binary(), *(["--port", "0"] if port_flag else []), *(str(flag) for flag in flags)]
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("ATTND_") and name != "PORT"}
        environment.update(env or {})
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
                                        env=environment)
        self.pid = self.process.pid
        self.port = None
        self.stopped = False
        ready = wait_until(self._listening, 20)
        if not ready:
            self.kill()
            raise Failure(f"{command} did not say where it listens: {excerpt(self.log_text(), 2000)}")
        Server.running.append(self)

    def _listening(self):
        if self.quiet_port and self.process.poll() is None:
            with socket.socket() as probe:
                self.port = self.quiet_port
                return probe.connect_ex(("127.0.0.1", self.quiet_port)) == 0
        match = re.search(r"listening on \"?http://127\.0\.0\.1:([0-9]+)", self.log_text())
        if match:
            self.port = int(match.group(1))
            return True
        return self.process.poll() is not None and self.port is not None

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def log_text(self):
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size, 0).decode("utf-8", "backslashreplace")

    def library(self):
        """The version of libmicrohttpd, from the first line of the log: (0, 9, 75)."""
        version = re.search(r"libmicrohttpd=([0-9.]+)", self.log_text())
        expect(version, "the log does not name libmicrohttpd's version")
        return tuple(map(int, version.group(1).split(".")))

    def log_lines(self):
        return self.log_text().splitlines()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def status(self, field):
        """A field of /proc/PID/status in KiB, such as VmHWM."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise Failure(f"no {field} in /proc/{self.pid}/status")

    def is_running(self):
        return self.process.poll() is None

    def connect(self, timeout=20):
        return Connection(self.port, timeout)

    def request(self, *args, **options):
        """One exchange on a connection of its own."""
        with self.connect() as connection:
            return connection.request(*args, **options)

    def signal(self, number=signal.SIGTERM):
        self._leave()
        self.process.send_signal(number)

    def _leave(self):
        if self in Server.running:
            Server.running.remove(self)

    def wait(self, seconds=20):
        """The exit code, or a failure."""
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"the server did not end within {seconds} s of its signal") from None

    def stop(self, seconds=20):
        """SIGTERM; fails unless the server ends with exit code 0 and without a sanitizer's report."""
        self._leave()
        self.stopped = True
        if self.process.poll() is None:
            self.process.terminate()
        code = self.wait(seconds)
        text = self.log_text()
        reports = [line for line in text.splitlines() if any(report in line for report in REPORTS)]
        expect(not reports, lambda: f"the server's stderr holds a report: {excerpt(chr(10).join(reports), 2000)}")
        expect(code == 0, lambda: f"the server ended with {code}, not 0: {excerpt(text[-1500:], 1500)}")

    def kill(self):
        self._leave()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None and not self.stopped:
                self.stop()
        finally:
            self.kill()
            self.log.close()


class Response:
    """What came back: status, header fields as a list, the body, and how it was framed."""

    def __init__(self, status, fields, body, chunked, closes):
        self.status = status
        self.fields = fields
        self.body = body
        self.chunked = chunked
        self.closes = closes

    def field(self, name):
        """The one value of a field, or None; a field sent twice is a failure."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        expect(len(values) < 2, lambda: f"{name} was sent {len(values)} times: {values}")
        return values[0] if values else None

    def json(self):
        try:
            return json.loads(self.body, parse_constant=refuse_constant)
        except ValueError as error:
            raise Failure(f"the body is not JSON ({error}): {excerpt(self.body)}") from None

    def __repr__(self):
        return f"{self.status} {self.field('Content-Type')} {excerpt(self.body)}"


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


class Closed(Failure):
    """The server closed the connection where a response was due."""


class Connection:
    """A socket to the server; reads responses strictly, in order."""

    def __init__(self, port, timeout=20, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout * PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with a RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()

    def _fill(self):
        try:
            data = self.socket.recv(1 << 18)
        except socket.timeout:
            raise Failure(f"nothing came for {self.socket.gettimeout():.0f} s after {excerpt(self.buffer)!r}") from None
        except ConnectionResetError:
            raise Closed(f"connection reset after {excerpt(self.buffer)!r}") from None
        if not data:
            raise Closed(f"connection closed after {excerpt(self.buffer)!r}")
        self.buffer += data

    def _line(self):
        while True:
            end = self.buffer.find(b"\r\n")
            if end >= 0:
                line, self.buffer = self.buffer[:end], self.buffer[end + 2:]
                return line
            expect(len(self.buffer) < 1 << 16, "a line of the response's head is over 64 KiB")
            self._fill()

    def _exactly(self, size):
        pieces = []
        missing = size - len(self.buffer)
        if missing <= 0:
            data, self.buffer = self.buffer[:size], self.buffer[size:]
            return data
        pieces.append(self.buffer)
        self.buffer = b""
        while missing > 0:
            self._fill()
            piece, self.buffer = self.buffer[:missing], self.buffer[missing:]
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def read(self, method="POST"):
        """The next final response; interim ones (100) are passed over."""
        while True:
            response = self.read_any(method)
            if response.status >= 200:
                return response

    def read_any(self, method="POST"):
        start = self._line()
        match = re.fullmatch(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)", start)
        expect(match, lambda: f"not a status line: {excerpt(start)!r}")
        status = int(match.group(1))
        fields = []
        while True:
            line = self._line()
            if not line:
                break
            match = re.fullmatch(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*", line)
            expect(match, lambda: f"not a header field: {excerpt(line)!r}")
            fields.append((match.group(1).decode(), match.group(2).decode("latin-1")))
        response = Response(status, fields, b"", False, False)
        response.closes = "close" in (response.field("Connection") or "").lower()
        if status < 200:
            return response
        length = response.field("Content-Length")
        coding = response.field("Transfer-Encoding")
        expect(not (length and coding), "the response has a Content-Length and a Transfer-Encoding")
        if method == "HEAD" or status in (204, 304):
            return response
        if coding:
            expect(coding.lower() == "chunked", f"Transfer-Encoding: {coding}")
            response.chunked = True
            response.body = self._chunks()
        elif length is not None:
            expect(re.fullmatch("[0-9]+", length), f"Content-Length: {length}")
            response.body = self._exactly(int(length))
        else:
            expect(response.closes, "a body without Content-Length, chunks or Connection: close")
            response.body = self.read_to_end()
        return response

    def _chunks(self):
        pieces = []
        while True:
            line = self._line()
            expect(re.fullmatch(rb"[0-9A-Fa-f]{1,15}", line), lambda: f"not a chunk's size: {excerpt(line)!r}")
            size = int(line, 16)
            if size == 0:
                expect(self._line() == b"", "trailer fields after the last chunk")
                return b"".join(pieces)
            pieces.append(self._exactly(size))
            expect(self._exactly(2) == b"\r\n", "a chunk does not end in CR LF")

    def read_to_end(self):
        """Everything until the server closes."""
        pieces = [self.buffer]
        self.buffer = b""
        while True:
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError:
                break
            except socket.timeout:
                raise Failure(f"the server did not close; so far {excerpt(b''.join(pieces))!r}") from None
            if not data:
                break
            pieces.append(data)
        return b"".join(pieces)

    def is_closed(self, seconds=2):
        """Whether the server closes within `seconds` without sending anything more."""
        self.socket.settimeout(seconds * PATIENCE)
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    def request(self, method, path, body=None, fields=(), content_type="application/json"):
        """Sends one request and reads its response. `body`: bytes, or a value to write as JSON."""
        self.send(message(method, path, body, fields, content_type))
        return self.read(method)

    def post(self, path, body, fields=(), content_type="application/json"):
        return self.request("POST", path, body, fields, content_type)

    def get(self, path, fields=()):
        return self.request("GET", path, None, fields)


def as_bytes(body):
    if body is None or isinstance(body, (bytes, bytearray)):
        return body
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def message(method, path, body=None, fields=(), content_type="application/json"):
    """A well-formed request as bytes."""
    body = as_bytes(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if body is not None:
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


def chunked(pieces):
    """Pieces of a body in chunked framing."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


def problem(response, status, code=None, pointer=None):
    """Checks the frame of a problem and returns its members."""
    expect(response.status == status, lambda: f"status {response.status}, not {status}: {excerpt(response.body, 700)}")
    kind = response.field("Content-Type")
    expect(kind == "application/problem+json", f"Content-Type {kind}")
    members = response.json()
    expect(isinstance(members, dict), f"the problem is no object: {members}")
    for name in ("type", "title", "detail", "code"):
        value = members.get(name)
        expect(isinstance(value, str) and value, f"{name} is {value!r}")
    expect(members.get("status") == status, f"member status is {members.get('status')}")
    expect(members["type"].endswith("/problems/" + members["code"]), f"type is {members['type']}")
    known = {"type", "title", "status", "detail", "code", "pointer", "expected", "received", "line", "column",
             "offset", "instance"}
    expect(set(members) <= known, f"unknown members {set(members) - known}")
    if code is not None:
        expect(members["code"] == code, f"code {members['code']}, not {code}: {members}")
    if pointer is not None:
        expect(members.get("pointer") == pointer, f"pointer {members.get('pointer')!r}, not {pointer!r}: {members}")
    return members


# A request small enough to write anywhere, and the bytes of its answer's interesting part.
SMALL = {"inputs": [[1, 0], [0, 1]]}
SELF = "/v1/attention/self"


def is_small_answer(response):
    """Checks that a response is the right answer to SMALL sent to SELF."""
    expect(response.status == 200, lambda: f"{response!r}")
    weights = response.json()["weights"]
    high = 0.66976154
    for row, due in zip(weights, ((high, 1 - high), (1 - high, high))):
        for number, right in zip(row, due):
            expect(abs(number - right) < 2e-6, f"weights {weights}")
    return response
