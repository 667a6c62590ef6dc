"""What all cases share: the servers, the clients, the requests, and the order of rounds."""

import dataclasses
import pathlib

from bodies import Bodies
from clients import Clients
from servers import Servers

NUMPY, ONNXRUNTIME = "FastAPI + NumPy", "FastAPI + onnxruntime"


@dataclasses.dataclass
class Bench:
    folder: pathlib.Path  # of the build; requests and logs lie in it
    quick: bool

    def __post_init__(self):
        self.servers = Servers(self.folder)
        self.clients = Clients(self.folder)
        self.bodies = Bodies(self.folder / "requests")

    def pick(self, full, quick):
        return quick if self.quick else full

    def rounds(self, count, names, measure):
        """measure(name) for each name, `count` times, every other time backwards: {name: [one result a round]}."""
        found = {name: [] for name in names}
        for i in range(count):
            for name in names if i % 2 == 0 else reversed(names):
                found[name].append(measure(name))
        return found

    def reference(self, server, body):
        return self.clients.answer(server, body, self.bodies.folder)

    def saved(self, name, answer):
        path = self.bodies.folder / name
        path.write_bytes(answer)
        return path
