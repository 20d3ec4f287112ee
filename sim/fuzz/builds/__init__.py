"""Another release of onebook beside this one: found, unpacked, imported under an alias, and traded with."""

from sim.fuzz.builds.alias import Build, build_of, this_build
from sim.fuzz.builds.release import Release, ReleaseError, release

__all__ = ["Build", "Release", "ReleaseError", "build_of", "release", "this_build"]
