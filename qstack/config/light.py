"""What light meets between the ends of a link, as configurations describe it: channels, detectors, turns."""

from typing import Annotated

from qstack.base.errors import LocalMisuse
from qstack.config.value import Section, about
from qstack.quantum import channels, detectors, free_space, raman, satellite, turns
from qstack.quantum.raman import Direction

__all__ = ["Arm", "ClassicalLight", "Detector", "Fibre", "FreeSpace", "Given", "Probability", "Satellite", "Turns"]

Probability = Annotated[float, about("probability, 0 to 1", 0.5, ge=0.0, le=1.0)]
Length = Annotated[float, about("length in km", 25.0, ge=0.0, le=1e6)]
Waist = Annotated[float, about("radius of the beam at its waist, at the sender, in m", 0.15, ge=1e-6, le=1e3)]
Aperture = Annotated[float, about("radius of the receiver's aperture in m", 0.6, ge=1e-6, le=1e3)]
Wavelength = Annotated[float, about("wavelength in nm", 850.0, ge=1.0, le=1e6)]
Pointing = Annotated[float, about("standard deviation of the aim, by axis, in rad", 1e-6, ge=0.0, le=1.0)]
Zenith = Annotated[float, about("share that the atmosphere leaves of light from straight above, 0 to 1", 0.8, ge=0.0,
                                le=1.0)]  # fmt: skip


class ClassicalLight(Section):
    """Classical channels in the same fibre. Light that they scatter reaches the detectors; it needs a `window-ns`."""

    launch_dbm: Annotated[float, about("power at the beginning of the fibre, of all channels of a direction together, "
                                       "in dBm", 0.0, ge=-300.0, le=100.0)]  # fmt: skip
    direction: Annotated[Direction, about("along with the quantum signal, against it, or both", "along")] = "along"
    wavelength_nm: Annotated[float, about("wavelength of the quantum signal in nm", 1550.0, ge=1.0, le=1e6)] = 1550.0
    filter_nm: Annotated[float, about("width of the filter in front of the detectors in nm", 0.1, ge=0.0, le=1e6)] = 0.1
    filter_db: Annotated[float, about("loss of that filter in dB", 1.0, ge=0.0, le=1e3)] = 0.0
    scattering_km_nm: Annotated[float, about("share of the power that is scattered into a nm of bandwidth by a km of "
                                             "fibre", 2e-9, ge=0.0, le=1.0)] = 2e-9  # fmt: skip

    def value(self) -> raman.ClassicalLight:
        """The quantum room's."""
        return raman.ClassicalLight(
            self.launch_dbm, self.direction, self.wavelength_nm, self.filter_nm, self.filter_db, self.scattering_km_nm
        )


class Fibre(Section, tag="fibre", tag_field="kind"):
    """An optical fibre."""

    length_km: Length
    attenuation_db_km: Annotated[float, about("attenuation in dB/km", 0.2, ge=0.0, le=1e3)] = 0.2
    connectors_db: Annotated[float, about("loss of connectors and splices in dB", 1.0, ge=0.0, le=1e3)] = 0.0
    group_index: Annotated[float, about("group index, by which light is slower than in vacuum", 1.468, ge=1.0,
                                        le=10.0)] = 1.468  # fmt: skip
    classical: ClassicalLight | None = None

    def value(self) -> channels.Fibre:
        """The quantum room's."""
        return channels.Fibre(self.length_km, self.attenuation_db_km, self.connectors_db, self.group_index)


class Given(Section, tag="given", tag_field="kind"):
    """A channel of which only the time of flight is known; its loss is counted in the model's `detection`."""

    flight_ns: Annotated[int, about("time of flight in ns", 50_000, ge=0)] = 0

    def value(self) -> channels.Lossless:
        """The quantum room's."""
        return channels.Lossless(self.flight_ns)


class FreeSpace(Section, tag="free-space", tag_field="kind"):
    """A beam between two places that do not move."""

    length_km: Length
    waist_m: Waist
    aperture_m: Aperture
    wavelength_nm: Wavelength = 850.0
    pointing_rad: Pointing = 0.0
    attenuation_db_km: Annotated[float, about("extinction along the way in dB/km", 0.1, ge=0.0, le=1e3)] = 0.0
    zenith: Zenith = 1.0
    elevation_deg: Annotated[float, about("elevation under which the beam crosses the atmosphere, in degrees", 45.0,
                                          gt=0.0, le=90.0)] = 90.0  # fmt: skip

    def value(self) -> free_space.FreeSpace:
        """The quantum room's."""
        beam = free_space.Beam(self.waist_m, self.aperture_m, self.wavelength_nm, self.pointing_rad)
        return free_space.FreeSpace(self.length_km, beam, self.attenuation_db_km, self.zenith, self.elevation_deg)


class Satellite(Section, tag="satellite", tag_field="kind"):
    """A beam between a ground station and a satellite that passes over it, on a circular orbit."""

    altitude_km: Annotated[float, about("height of the orbit in km", 500.0, ge=1.0, le=1e6)]
    waist_m: Waist
    aperture_m: Aperture
    wavelength_nm: Wavelength = 850.0
    pointing_rad: Pointing = 0.0
    highest_deg: Annotated[float, about("elevation at culmination in degrees", 70.0, gt=0.0, le=90.0)] = 90.0
    lowest_deg: Annotated[float, about("elevation below which nothing is received, in degrees", 20.0, gt=0.0,
                                       le=90.0)] = 20.0  # fmt: skip
    zenith: Zenith = 1.0
    culmination_ns: Annotated[int, about("domain time of a culmination, in TAI ns", 0)] = 0
    repeat_ns: Annotated[int, about("time from one pass to the next in ns; 0 for a single pass", 600_000_000_000,
                                    ge=0)] = 0  # fmt: skip
    step_ns: Annotated[int, about("time for which the satellite stands still in the model, in ns", 10_000_000,
                                  ge=1)] = 10_000_000  # fmt: skip

    def value(self) -> satellite.SatellitePass:
        """The quantum room's."""
        beam = free_space.Beam(self.waist_m, self.aperture_m, self.wavelength_nm, self.pointing_rad)
        return satellite.SatellitePass(
            self.altitude_km, beam, self.highest_deg, self.lowest_deg, self.zenith, self.culmination_ns,
            self.repeat_ns, self.step_ns,
        )  # fmt: skip


Arm = Fibre | FreeSpace | Satellite | Given


class Detector(Section):
    """The detectors of the station; of a source of pairs, what tells that a memory holds a photon."""

    efficiency: Annotated[float, about("probability of a click for a photon that has arrived, 0 to 1", 0.8, ge=0.0,
                                       le=1.0)] = 1.0  # fmt: skip
    dark_count_hz: Annotated[float, about("clicks a second without light", 100.0, ge=0.0, le=1e12)] = 0.0
    window_ns: Annotated[float, about("how long it listens in an attempt, in ns", 10.0, ge=0.0, le=1e12)] = 0.0
    dead_ns: Annotated[int, about("how long it is blind after a click, in ns", 50, ge=0)] = 0

    def value(self, dark_count_probability: float) -> detectors.Detector:
        """The quantum room's, with dark counts that the model names besides."""
        if self.dark_count_hz and not self.window_ns:
            raise LocalMisuse("has dark counts but listens for no time")
        return detectors.Detector(
            self.efficiency, self.dark_count_hz, self.window_ns, self.dead_ns, dark_count_probability
        )


class Turns(Section):
    """Quantum windows and classical bursts that take turns on the fibre: frames of cycles, each a burst, a guard and a
    quantum window."""

    frame_cycles: Annotated[int, about("length of a frame in cycles", 10_000, ge=1)]
    burst_cycles: Annotated[int, about("length of the classical burst of a frame, in cycles", 1_000, ge=0)]
    guard_cycles: Annotated[int, about("cycles behind a burst in which its light leaves the fibre", 20, ge=0)] = 0
    most_cycles: Annotated[int, about("longest burst, while classical traffic has a backlog", 5_000, ge=0)] = 0
    backlog_cycles: Annotated[int, about("classical backlog at the beginning of `first-frame`, in cycles of burst",
                                         20_000, ge=0)] = 0  # fmt: skip
    first_frame: Annotated[int, about("number of the frame at which the backlog is there", 0, ge=0)] = 0
    blanks: Annotated[bool, about("whether cycles outside of quantum windows are not attempted; otherwise they are, in "
                                  "the light of the burst", True)] = True  # fmt: skip

    def value(self) -> turns.Turns:
        """The quantum room's."""
        return turns.Turns(
            self.frame_cycles, self.burst_cycles, self.guard_cycles, self.most_cycles, self.backlog_cycles,
            self.first_frame,
        )  # fmt: skip
