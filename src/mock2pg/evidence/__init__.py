"""Evidence: each run's folder gets a manifest, whose hash the database keeps in a table that is only added to."""

from mock2pg.evidence.verify import judge
from mock2pg.evidence.write import begin, is_sealed, lacks_seal, seal, tell, tell_of

__all__ = ["begin", "is_sealed", "judge", "lacks_seal", "seal", "tell", "tell_of"]
