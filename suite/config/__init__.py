"""What a grid may say: its settings, checked before anything runs; nothing here knows of reports."""
