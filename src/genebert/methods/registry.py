METHODS = {"pwm": None, "kmer-logreg": None, "boosted-trees": None, "cnn": None}
NEED_FACTOR = ("pwm",)
NETWORKS = ("finetune",)
