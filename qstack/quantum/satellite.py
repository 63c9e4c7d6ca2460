"""A satellite that passes over a ground station: slant range, elevation, and so loss and delay, by time.

A circular orbit over an Earth that does not turn: a pass is some minutes long, and ground moves below it by at most
0.46 km/s against the satellite's 7 to 8. With the central angle g between station and satellite, g0 the least of the
pass and w = sqrt(GM / r^3):

    cos g(t) = cos g0 cos(w t),   d^2 = R^2 + r^2 - 2 R r cos g,   sin(elevation) = (r cos g - R) / d

Time goes in steps (see `channels`); within one the satellite stands where it is in the step's middle.
"""

from dataclasses import dataclass, field
from math import acos, asin, cos, floor, radians, sqrt
from typing import NamedTuple

from qstack.base.errors import LocalMisuse
from qstack.quantum.channels import SPEED_OF_LIGHT_M_S
from qstack.quantum.free_space import Beam, air
from qstack.quantum.heralding import check_probabilities

__all__ = ["EARTH_RADIUS_M", "Place", "SatellitePass"]

EARTH_RADIUS_M = 6_371_000.0
"""Mean radius (IUGG)."""

_GM_M3_S2 = 3.986004418e14  # of the Earth (WGS 84)
_SECOND_NS = 1e9


class Place(NamedTuple):
    """Where the satellite is, seen from the station."""

    range_m: float
    elevation_rad: float


@dataclass(frozen=True, slots=True)
class SatellitePass:
    """A beam between a ground station and a satellite.

    `highest_deg`: elevation at culmination, which is at domain time `culmination_ns` and, when `repeat_ns` is not 0,
    again every `repeat_ns` before and after; `lowest_deg`: below it nothing is received; `zenith`: share that the
    atmosphere leaves of light from straight above; `step_ns`: how long the satellite stands still in the model.
    """

    altitude_km: float
    beam: Beam
    highest_deg: float = 90.0
    lowest_deg: float = 20.0
    zenith: float = 1.0
    culmination_ns: int = 0
    repeat_ns: int = 0
    step_ns: int = 10_000_000
    _half_s: float = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_probabilities(self.zenith)
        if self.altitude_km <= 0.0 or not 0.0 < self.lowest_deg <= self.highest_deg <= 90.0:
            raise LocalMisuse(f"{self}: a satellite is above ground, elevations are in ]0, 90] degrees and in order")
        if self.step_ns <= 0 or self.repeat_ns < 0:
            raise LocalMisuse(f"{self}: steps are longer than 0 ns, and no time is negative")
        least, most = self._central(self.highest_deg), self._central(self.lowest_deg)
        object.__setattr__(self, "_half_s", acos(min(1.0, cos(most) / cos(least))) / self._angular)
        if self.repeat_ns and self.repeat_ns < 2 * (self._half_s * _SECOND_NS + self.step_ns):
            raise LocalMisuse(f"a pass takes {2 * self._half_s:.0f} s: it cannot come again every "
                              f"{self.repeat_ns / _SECOND_NS:.0f} s")  # fmt: skip

    @property
    def duration_s(self) -> float:
        """How long the satellite is above `lowest_deg`."""
        return 2.0 * self._half_s

    @property
    def best_ns(self) -> int:
        """A culmination."""
        return self.culmination_ns

    def place(self, since_s: float) -> Place:
        """Where it is, `since_s` seconds after culmination."""
        radius = self._radius_m
        along = cos(self._central(self.highest_deg)) * cos(self._angular * since_s)
        distance = sqrt(EARTH_RADIUS_M**2 + radius**2 - 2.0 * EARTH_RADIUS_M * radius * along)
        return Place(distance, asin(max(-1.0, min(1.0, (radius * along - EARTH_RADIUS_M) / distance))))

    def transmissivity(self, instant_ns: int) -> float:
        """Probability that a photon arrives; 0 while the satellite is too low."""
        _, step = self._locate(instant_ns)
        if not self._visible(step):
            return 0.0
        place = self.place(self._middle_s(step))
        return self.beam.captured(place.range_m) * air(self.zenith, place.elevation_rad)

    def delay_ns(self, instant_ns: int) -> int:
        """Time of flight; while the satellite is too low that of the nearer end of its pass."""
        _, step = self._locate(instant_ns)
        last = self._last_step
        place = self.place(self._middle_s(max(-last - 1, min(last, step))))
        return round(place.range_m / SPEED_OF_LIGHT_M_S * _SECOND_NS)

    def constant_until(self, instant_ns: int) -> int | None:
        """The next step of this pass, or the middle between passes, or the beginning of the next."""
        culmination, step = self._locate(instant_ns)
        if step < -self._last_step - 1:
            step = -self._last_step - 2
        if step <= self._last_step:
            return culmination + (step + 1) * self.step_ns
        if not self.repeat_ns:
            return None
        between = culmination + self.repeat_ns - self.repeat_ns // 2
        return between

    @property
    def _radius_m(self) -> float:
        return EARTH_RADIUS_M + self.altitude_km * 1e3

    @property
    def _angular(self) -> float:
        """Angular speed, rad/s."""
        return sqrt(_GM_M3_S2 / self._radius_m**3)

    @property
    def _last_step(self) -> int:
        """Steps are numbered from culmination; this is the last whose middle is visible, its mirror image the first."""
        return floor(self._half_s * _SECOND_NS / self.step_ns - 0.5)

    def _central(self, elevation_deg: float) -> float:
        """Angle at the Earth's centre between the station and a satellite seen at an elevation."""
        elevation = radians(elevation_deg)
        return acos(EARTH_RADIUS_M * cos(elevation) / self._radius_m) - elevation

    def _locate(self, instant_ns: int) -> tuple[int, int]:
        """The culmination that an instant belongs to, and the number of its step from there."""
        culmination = self.culmination_ns
        if self.repeat_ns:
            culmination += (instant_ns - culmination + self.repeat_ns // 2) // self.repeat_ns * self.repeat_ns
        return culmination, (instant_ns - culmination) // self.step_ns

    def _visible(self, step: int) -> bool:
        return -self._last_step - 1 <= step <= self._last_step

    def _middle_s(self, step: int) -> float:
        return (step + 0.5) * self.step_ns / _SECOND_NS
