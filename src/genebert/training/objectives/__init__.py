"""What a model is pre-trained for; one module an objective."""
