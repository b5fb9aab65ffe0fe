"""Networks: BERT over k-mers, region encoders, GeneBERT, their losses."""
