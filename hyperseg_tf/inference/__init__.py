"""Pictures in, class maps out."""
