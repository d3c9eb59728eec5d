"""Everything laid out by hand for CPUs, as backends of `swinkit.ops`: the formulas stay there, the speed is here.

`swinkit.cpu.switch` turns all of it off at once, and says in a sentence why it cannot run where it cannot.
"""

import os

# oneDNN and what PyTorch puts before it keep an operation for each size they have met, a thousand each, of up to a
# megabyte: with images of changing sizes a process would grow by hundreds of megabytes. The operations of one size of
# image, some eighty, still fit. Both are read at the first operation; whoever sets them decides.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
os.environ.setdefault("LRU_CACHE_CAPACITY", "4")
