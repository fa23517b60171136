"""Evidence: a manifest per run, whose hash the database keeps in an append-only table."""

from mock2pg.evidence.verify import verify
from mock2pg.evidence.write import begin, has_manifest, lacks_manifest, sha256, tell, tell_of, write_manifest

__all__ = ["begin", "has_manifest", "lacks_manifest", "sha256", "tell", "tell_of", "verify", "write_manifest"]
