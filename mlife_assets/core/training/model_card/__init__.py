"""The model card: what a version is, what it was measured to do, what it must not be used for, as one HTML page.

`facts` holds what a card says, `describe` makes it from an artifact and its verdict, `page` renders it.
"""
