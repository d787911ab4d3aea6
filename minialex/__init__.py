"""minialex: AlexNet (Krizhevsky, Sutskever and Hinton, 2012) in NumPy/CuPy, every gradient derived by hand and proven."""

__version__ = "0.1.0"
