"""The models' files as a server keeps them in its data directory, looked at without the server."""

import hashlib
import pathlib


class ArtifactFolder:
    def __init__(self, data):
        self.path = pathlib.Path(data) / "artifacts"

    def blobs(self):
        """What is there by its digest. Each has to hold what its name says."""
        found = {}
        for path in self.path.glob("blobs/*/*"):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, f"{path} holds something else"
            found[path.name] = path.stat().st_size
        return found

    def trees(self):
        """Size by digest of each tree's contents, all of which have to be there."""
        blobs, found = self.blobs(), {}
        for path in self.path.glob("trees/*"):
            entries = [line.split(" ", 3)[:2] for line in path.read_text().splitlines()[1:]]
            found[path.name] = {digest: int(size) for digest, size in entries}
            assert found[path.name].items() <= blobs.items(), f"{path} lacks files"
        return found

    def names(self, folder):
        return {path.name for path in (self.path / folder).iterdir()}

    def arrived(self):
        """Bytes of uploads that are not whole yet."""
        return sum(path.stat().st_size for path in self.path.glob("uploads/*/*.part"))

    def assert_tidy(self):
        """No upload is under way, and nothing is there that no tree has."""
        trees = self.trees()
        assert set(self.blobs()) == {digest for tree in trees.values() for digest in tree}
        assert self.names("uploads") == self.names("temporary") == set()
        assert self.names("checkouts") <= set(trees)
