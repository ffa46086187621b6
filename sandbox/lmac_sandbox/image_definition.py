"""What an image holds: `image.yaml`, written by people, and `lock.yaml`, written by `refresh_lock`."""

from __future__ import annotations

import hashlib
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from lmac_sandbox.errors import ImageError

IMAGE_FILE = "image.yaml"
LOCK_FILE = "lock.yaml"
LAST_UID = 65533
"""What follows has a meaning: nobody, and no user at all."""

# Names and versions become arguments of host commands: none may look like an option or an address.
PackageName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._-]*$")]
PackageVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9+.:~!_-]*$")]
NpmName = Annotated[str, StringConstraints(pattern=r"^(@[a-z0-9][a-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9+._-]*$")]
"""With a scope before it, perhaps."""
PinnedNpm = Annotated[
    str,
    StringConstraints(pattern=r"^(@[a-z0-9][a-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.+-]*$"),
]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][^/\x00-\x1f]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ImagePath = Annotated[str, StringConstraints(pattern=r"^/$|^(/[A-Za-z0-9_][^/\x00-\x1f]*)+$")]
Architecture = Literal["amd64", "arm64"]
"""In Debian's words."""
Mode = Annotated[str, StringConstraints(pattern=r"^1?[0-7]{3}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PackageKind(StrEnum):
    """Which of the host's clients brings a package."""

    DEB = "deb"
    WHEEL = "wheel"
    NPM = "npm"


class LockedPackage(_Frozen):
    """One package file, known by its digest."""

    kind: Annotated[PackageKind, Field(strict=False)]
    name: NpmName
    version: PackageVersion
    file: FileName
    """Name of the file at its publisher; no folder."""
    size_bytes: Annotated[int, Field(ge=1)]
    sha256: Sha256

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Lock(_Frozen):
    """Every package of an image."""

    architecture: Architecture
    packages: Annotated[tuple[LockedPackage, ...], Field(strict=False)]
    debian_sha256: Sha256 | None = None
    """Of the layer that the Debian packages give; None, as the next two, when they were locked without an
    engine. With these an archive is as good as the packages that it was built from."""
    wheels_sha256: Sha256 | None = None
    """Of the layer that the Python packages give, and the npm packages if there are any."""
    bytecode_sha256: Sha256 | None = None
    """Of the layer that compiling all these gives."""

    def of(self, kind: PackageKind) -> tuple[LockedPackage, ...]:
        return tuple(package for package in self.packages if package.kind is kind)

    @property
    def layer_pins(self) -> tuple[str | None, ...]:
        """Digests of the layers of Debian packages, Python packages and bytecode."""
        return self.debian_sha256, self.wheels_sha256, self.bytecode_sha256

    def digest(self) -> str:
        """Sha256 (hex) of what is locked, whatever the order of the packages."""
        lines = sorted(f"{package.kind} {package} {package.sha256}" for package in self.packages)
        return hashlib.sha256("\n".join([self.architecture, *lines]).encode()).hexdigest()


class User(_Frozen):
    """A line of /etc/passwd, or several; the group has the same name and number."""

    uid: Annotated[int, Field(ge=0, le=LAST_UID)]
    home: ImagePath
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    """So many numbers from `uid` on have this name, so that every box can have one and looks the same."""

    @property
    def uids(self) -> range:
        return range(self.uid, self.uid + self.count)


class Folder(_Frozen):
    """A folder of the image that somebody else than root owns."""

    mode: Mode
    owner: PackageName
    """One of `users`."""


class ImageDefinition(_Frozen):
    """The content of `image.yaml`."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    python_version: Annotated[str, StringConstraints(pattern=r"^3\.\d+$")]
    """Major and minor."""
    debian_packages: list[PackageName]
    debian_excluded: list[PackageName]
    """Packages that stay out although others depend on them."""
    python_packages: list[PackageName]
    npm_packages: list[PinnedNpm] = []
    """Each `name==version`; they lie in /node_modules, with all that they need."""
    dropped: list[str]
    """Shell patterns over paths without their leading slash; `*` matches `/` too."""
    links: dict[ImagePath, str]
    """Path to what the symbolic link there says."""
    users: dict[PackageName, User]
    folders: dict[ImagePath, Mode | Folder]
    """Path to octal permissions, and owner where that is not root."""
    texts: dict[ImagePath, str]
    files: dict[FileName, ImagePath]
    """Name in the definition's folder to path."""
    environment: dict[str, str]

    @model_validator(mode="after")
    def _numbers_are_of_one_user(self) -> Self:
        names: dict[int, str] = {}
        for name, user in self.users.items():
            if user.uids[-1] > LAST_UID:
                raise ValueError(
                    f"users.{name}: the last of {user.count} is {user.uids[-1]}; none passes {LAST_UID}"
                )
            if other := next((names[uid] for uid in user.uids if uid in names), None):
                raise ValueError(f"users.{name}: has numbers of {other!r} too")
            names |= dict.fromkeys(user.uids, name)
        return self

    @model_validator(mode="after")
    def _owners_are_users(self) -> Self:
        for path, folder in self.folders.items():
            if isinstance(folder, Folder) and folder.owner not in self.users:
                raise ValueError(f"folder {path}: owner {folder.owner!r} is none of `users`")
        return self


# Written in C where PyYAML has it: a lock is read in 4 ms instead of 20.
_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Model = TypeVar("_Model", bound=BaseModel)


def _read(path: Path, model: type[_Model]) -> _Model:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_SAFE_LOADER)
        return model.model_validate(content)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ImageError(f"{path} is no YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ImageError(f"{path}: {key}: {first['msg']}, not {str(first['input'])[:80]!r}") from error


def read_definition(definition_folder: Path) -> ImageDefinition:
    """Read and check `image.yaml`.

    Raises:
        ImageError: the file is absent, no YAML, or a key or value is wrong; the message names file and key.
    """
    return _read(definition_folder / IMAGE_FILE, ImageDefinition)


def read_lock(definition_folder: Path) -> Lock:
    """Read and check `lock.yaml`.

    Raises:
        ImageError: as `read_definition`.
    """
    path = definition_folder / LOCK_FILE
    if not path.exists():
        raise ImageError(f"{path} is missing", "write it with `lmac images lock`")
    return _read(path, Lock)


def lock_digest(definition_folder: Path) -> str:
    """`Lock.digest` of the lock beside a definition.

    Raises:
        ImageError: as `read_lock`.
    """
    return read_lock(definition_folder).digest()


def write_lock(definition_folder: Path, lock: Lock) -> None:
    """Replace `lock.yaml` by a canonical rendering: the same packages give the same bytes."""
    packages = sorted(lock.packages, key=lambda package: (package.kind, package.name))
    content = {
        "architecture": lock.architecture,
        "debian_sha256": lock.debian_sha256,
        "wheels_sha256": lock.wheels_sha256,
        "bytecode_sha256": lock.bytecode_sha256,
        "packages": [package.model_dump(mode="json") for package in packages],
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    partial = definition_folder / f".{LOCK_FILE}.partial"
    with partial.open("w", encoding="utf-8") as stream:
        stream.write("# Written by `lmac images lock`; not for editing.\n" + text)
        stream.flush()
        # A power cut after the renaming must not leave an empty lock.
        os.fsync(stream.fileno())
    partial.replace(definition_folder / LOCK_FILE)
