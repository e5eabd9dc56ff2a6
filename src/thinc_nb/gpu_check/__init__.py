"""Whether the GPU computes what the CPU does, and how fast: `python -m thinc_nb.gpu_check`.

Every operation is run on the GPU, in float32 and float64 and on several shapes, and held to the CPU's float64; then it
is timed beside Thinc's CupyOps and PyTorch, where these are installed. One table says it all.
"""
