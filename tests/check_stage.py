"""A store and an evaluator over real boxes of any image: for tests of shipped checks."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from lmac.checks import Check
from lmac.evaluation import CheckResult, Report
from lmac.evaluator import Evaluator
from lmac_sandbox import Engine, Keeper, Limits, Owner, Pool, StoreLimits, Volume


@dataclass(frozen=True, slots=True)
class CheckStage:
    """Judges one set of files after the other."""

    keeper: Keeper
    evaluator: Evaluator

    def report(self, files: Mapping[str, str | bytes]) -> Report:
        """What the checks say of a store that holds these files and no others."""
        for entry in self.keeper.list():
            self.keeper.delete(entry.path)
        contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self.keeper.write_many(contents)
        return self.evaluator.evaluate(self.keeper.digest())

    def result(self, files: Mapping[str, str | bytes], check: str) -> CheckResult:
        """The same, of one check."""
        report = self.report(files)
        found = report.result(check)
        assert found is not None, report
        return found


@contextmanager
def check_stage(engine: Engine, image_id: str, checks: tuple[Check, ...]) -> Iterator[CheckStage]:
    """Start a keeper and a pool under the default limits."""
    owner = Owner.current(f"test-{secrets.token_hex(4)}")
    with (
        Volume.create(engine, owner, StoreLimits()) as volume,
        Keeper.start(engine, volume, image_id, owner, StoreLimits()) as keeper,
        Pool(engine, volume, image_id, owner, Limits()) as pool,
    ):
        yield CheckStage(keeper, Evaluator(pool, checks))
