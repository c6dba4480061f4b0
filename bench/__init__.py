"""Every performance claim, as a program that prints a ratio: `python -m bench.NAME`."""

import os

# Kernels or block sizes set by hand would favour one side. OpenBLAS reads these when numpy loads it, hence here.
for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_name, None)
