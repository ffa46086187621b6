"""The error tree of the sandbox. Whatever a job does is a result, never one of these.

SandboxError
├── EngineUnavailable       no Docker engine answers
├── EngineFailure           a call to the engine failed or outlived its deadline; a box or keeper broke
├── BoxUsed                 a single-use box was asked for a second use; nothing was done
├── IsolationMissing        the engine lacks what the policy needs; nothing was started
├── ImageError
│   ├── ImageNotFound       the engine has no such image
│   ├── ImageMismatch       an image, archive or package is not the one that its lock names
│   └── PackageUnavailable  a locked package cannot be fetched
├── DependencyRefused       what generated code asks for is not what it may have; nothing was changed
├── StoreError
│   ├── PathRejected        a store path that breaks the rules of `inside.paths`
│   ├── StoreFull           a write would pass a limit of the store; nothing was written
│   └── FileMissing         no such file in the store
└── WireError               a peer sent what is no frame of ours
"""

from __future__ import annotations


class SandboxError(Exception):
    """A failure of the sandbox itself.

    Args:
        message: What happened, with the value.
        next_step: What the user can do about it; "" when nothing more helps.
    """

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class EngineUnavailable(SandboxError):
    """No Docker engine answers."""


class EngineFailure(SandboxError):
    """A call to the engine failed or outlived its deadline, or a container of ours broke."""


class BoxUsed(SandboxError):
    """A single-use box was asked for a second use; nothing was done."""


class IsolationMissing(SandboxError):
    """The engine lacks what the policy needs, or a runtime that was asked for; nothing was started."""


class ImageError(SandboxError):
    """An image cannot be had."""


class ImageNotFound(ImageError):
    """The engine has no such image."""


class ImageMismatch(ImageError):
    """Bytes that are not those that a lock names."""


class PackageUnavailable(ImageError):
    """A locked package cannot be fetched."""


class DependencyRefused(SandboxError):
    """Generated code asks for packages that it may not have, or that do not exist; nothing was changed."""


class StoreError(SandboxError):
    """The store refused; it is as it was before."""


class PathRejected(StoreError):
    """A store path that breaks the rules."""


class StoreFull(StoreError):
    """A limit of the store would be passed."""


class FileMissing(StoreError):
    """No such file in the store."""


class WireError(SandboxError):
    """A peer sent what is no frame of ours."""
