"""The model: trained, judged, explained, promoted."""
