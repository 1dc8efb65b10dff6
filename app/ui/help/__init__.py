"""What explains the program: glossary, tour and pages of text."""
