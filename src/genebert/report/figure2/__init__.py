"""Figure 2: embeddings of two models in the plane, and the numbers beside it."""
