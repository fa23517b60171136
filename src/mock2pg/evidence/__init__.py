"""Evidence: a run's folder is sealed with a manifest, chained to the one before, and the database is told of it."""

from mock2pg.evidence.verify import judge
from mock2pg.evidence.write import begin, is_sealed, lacks_seal, seal, tell, tell_of

__all__ = ["begin", "is_sealed", "judge", "lacks_seal", "seal", "tell", "tell_of"]
