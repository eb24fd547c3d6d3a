"""Training of Noema's models: a sentence space (SONAR) and a concept model over it (Two-Tower LCM)."""
