"""What `cupy.cuda` shows of it is what thinc_nb uses."""
