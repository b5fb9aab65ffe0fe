"""From a peaks x cells matrix to the binary matrix of accessible regions x cell types (paper, section 4.1)."""
