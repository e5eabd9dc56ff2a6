"""What thinc_nb uses: `NumpyOps.cblas` hands out Thinc's table of BLAS functions."""
