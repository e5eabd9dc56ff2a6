"""What `model.Model` is made of."""
