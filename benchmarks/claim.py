"""A target and what was measured of it, one value a round."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .table import table_of

HEAD = ["", "target", "measured", "min-max", "met?"]


@dataclass(frozen=True)
class Claim:
    """bound: what the median of the values is to reach; or with `most`, not to pass."""

    what: str
    bound: float
    values: Sequence[float]
    most: bool = False
    unit: str = "x"

    @property
    def met(self) -> bool:
        return median(self.values) <= self.bound if self.most else median(self.values) >= self.bound

    def row(self) -> list[str]:
        bound = f"at {'most' if self.most else 'least'} {self.bound:g} {self.unit}"
        if not self.values:
            return [self.what, bound, "not measured", "", ""]
        spread = f"{min(self.values):.2f}-{max(self.values):.2f}"
        return [self.what, bound, f"{median(self.values):.2f} {self.unit}", spread, "yes" if self.met else "**no**"]


def claims_table(claims: Sequence[Claim]) -> str:
    return table_of([HEAD, *(claim.row() for claim in claims)])
