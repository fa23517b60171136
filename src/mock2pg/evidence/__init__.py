"""Evidence: a run's folder is sealed with a manifest, chained to the one before, and the database is told of it."""

from mock2pg.evidence.judging import judge
from mock2pg.evidence.sealing import is_sealed, seal, tell, tell_of

__all__ = ["is_sealed", "judge", "seal", "tell", "tell_of"]
