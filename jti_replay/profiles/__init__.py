"""The profiles of ``JTI_REPLAY["PROFILES"]``: how a token is verified, and where it is kept."""

from .profile import Profile, get_profile, put_profile, reset

__all__ = ["Profile", "get_profile", "put_profile", "reset"]
