"""mock2pg watch: a page on this machine that shows a run while it works, from the files in its folder.

It reads what a run writes for itself, in whichever process that is; the run knows nothing of it.
"""

from mock2pg.watch.address import Address
from mock2pg.watch.beside import watched
from mock2pg.watch.watching import watch

__all__ = ["Address", "watch", "watched"]
