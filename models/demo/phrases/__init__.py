"""The wordings of questions, by language."""
