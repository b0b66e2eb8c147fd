"""mixval: which contributors' data is worth training on, how sure are we, and may this batch enter?"""

__version__ = "0.1.0"
