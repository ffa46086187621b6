"""Programs that run inside containers, and what both sides of the wire share.

Standard library and relative imports only: the folder is copied whole into every image. The host imports
frames, paths, endings, events and the store digest from here, so that both sides obey one text.
"""
