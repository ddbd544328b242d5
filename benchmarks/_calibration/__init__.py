"""Do the tests hold? The parts of benchmarks/calibration.py."""
