"""The public Python API; `mixval` exports what users call from here (docs/api.md)."""
