"""Transcription-factor motifs: JASPAR matrices, and how well they match every region."""
