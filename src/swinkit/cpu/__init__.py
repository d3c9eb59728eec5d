"""Everything laid out by hand for CPUs, as backends of `swinkit.ops`: the formulas stay there, the speed is here.

`swinkit.cpu.switch` turns all of it off at once, and says in a sentence why it cannot run where it cannot.
"""
