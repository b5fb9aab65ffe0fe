"""What the labels of bases mean in the kind ``base-classes``: for all that make, learn or evaluate them."""

KIND = "base-classes"
NONE, ACCEPTOR, DONOR, NOT_EVALUATED = 0, 1, 2, -1
SITES = {"acceptor": ACCEPTOR, "donor": DONOR}
