"""What every module stands on. It knows no module."""
