"""A mirror of Debian and Python packages in a folder, named as users name theirs: to apt and pip."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

from lmac_sandbox.image_definition import LockedPackage, PackageKind


class PackageMirror:
    """What apt and pip take packages from, with the environment of `variables`.

    Args:
        folder: Made here.
    """

    def __init__(self, folder: Path) -> None:
        self._debs, self._wheels = folder / "debs", folder / "wheels"
        self._stanzas: dict[str, str] = {}
        self._published = 1_700_000_000
        for made in (folder, self._debs, self._wheels):
            made.mkdir()
        (folder / "sources.list").write_text(f"deb [trusted=yes] copy:{self._debs} ./\n")
        (folder / "apt.conf").write_text(
            f'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
        )
        (self._debs / "Packages").touch()
        self.variables = {
            "APT_CONFIG": str(folder / "apt.conf"),
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self._wheels),
        }

    def publish_deb(self, name: str, version: str, text: str = "hello") -> LockedPackage:
        """Offer this version alone of a Debian package with one file, and return what a lock says of it."""
        content = _deb({f"usr/share/{name}": f"{version} {text}".encode()})
        file = f"{name}_{version}_all.deb"
        (self._debs / file).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        self._stanzas[name] = (
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x\nDescription: x\n"
            f"Filename: ./{file}\nSize: {len(content)}\nSHA256: {sha256}\n"
        )
        (self._debs / "Packages").write_text("\n".join(self._stanzas.values()))
        # Apt takes a list of the same second for the one that it has.
        self._published += 60
        os.utime(self._debs / "Packages", (self._published, self._published))
        return LockedPackage(
            kind=PackageKind.DEB,
            name=name,
            version=version,
            file=file,
            size_bytes=len(content),
            sha256=sha256,
        )

    def publish_wheel(self, name: str, text: str = "x = 1\n") -> LockedPackage:
        """Offer version 1.0 of a Python package, and return what a lock says of it."""
        path = self._wheels / f"{name}-1.0-py3-none-any.whl"
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}.py", text)
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        content = path.read_bytes()
        return LockedPackage(
            kind=PackageKind.WHEEL,
            name=name,
            version="1.0",
            file=path.name,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )


def _deb(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    parts = {"debian-binary": b"2.0\n", "data.tar.xz": lzma.compress(data.getvalue())}
    packed = b"!<arch>\n"
    for name, body in parts.items():
        packed += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n".encode()
        packed += body + b"\n" * (len(body) % 2)
    return packed
