"""Reading and writing: what serialize, checkpoints and interchange share."""
