"""Writes a docker-archive in two passes, as the image builders do that stream with Python's tarfile.

Usage: two_pass.py LAYERS ROOT > ARCHIVE

LAYERS is a JSON list of lists of store paths, bottom-most layer first; their files are below ROOT. A layer is written
twice: first into a hash, because its name and its size come before it in the archive, and then into the archive.
"""

import hashlib
import io
import json
import os
import sys
import tarfile


class Hashed:
    """Hashes and counts what is written."""

    def __init__(self):
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, data):
        self.hash.update(data)
        self.size += len(data)
        return len(data)


class Member:
    """Passes on what is written, as the content of a member of the archive."""

    def __init__(self, archive, name, size):
        info = tarfile.TarInfo(name)
        info.size = size
        archive.addfile(info)
        self.archive, self.left, self.size = archive, size, size

    def write(self, data):
        self.archive.fileobj.write(data)
        self.left -= len(data)
        return len(data)

    def close(self):
        assert self.left == 0, "both passes write the same"
        padding = -self.size % tarfile.BLOCKSIZE
        self.archive.fileobj.write(b"\0" * padding)
        self.archive.offset += self.size + padding


def normalised(info):
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mtime = 1
    return info


def add_tree(layer, root, path):
    file = root + path
    info = normalised(layer.gettarinfo(file, path))
    # tarfile takes the slash at the begin away.
    info.name = path
    # Equal files may share an inode, and a layer must not depend on that.
    if info.type == tarfile.LNKTYPE:
        info.type, info.linkname, info.size = tarfile.REGTYPE, "", os.path.getsize(file)
    if info.isreg():
        with open(file, "rb") as content:
            layer.addfile(info, content)
        return
    layer.addfile(info)
    if info.isdir():
        for name in sorted(os.listdir(file)):
            add_tree(layer, root, f"{path}/{name}")


def write_layer(out, root, paths):
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as layer:
        for name in ("/nix", "/nix/store"):
            info = normalised(tarfile.TarInfo(name))
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            layer.addfile(info)
        for path in paths:
            add_tree(layer, root, path)


def add_json(archive, name, value):
    text = json.dumps(value).encode()
    name = name or hashlib.sha256(text).hexdigest() + ".json"
    info = tarfile.TarInfo(name)
    info.size = len(text)
    archive.addfile(info, io.BytesIO(text))
    return name


def main():
    layers_file, root = sys.argv[1:]
    with open(layers_file) as file:
        layers = json.load(file)
    digests, names = [], []
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for paths in layers:
            hashed = Hashed()
            write_layer(hashed, root, paths)
            digests.append("sha256:" + hashed.hash.hexdigest())
            names.append(hashed.hash.hexdigest() + "/layer.tar")
            member = Member(archive, names[-1], hashed.size)
            write_layer(member, root, paths)
            member.close()
        config = add_json(archive, None, {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:01Z",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": digests},
            "history": [{"created": "1970-01-01T00:00:01Z"} for _ in layers],
        })
        add_json(archive, "manifest.json", [{"Config": config, "RepoTags": ["bench:latest"], "Layers": names}])


main()
