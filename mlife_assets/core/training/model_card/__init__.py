"""The model card of a version as one HTML page: description, measurements, and limits of use.

`facts` holds its content, `describe` makes it from an artifact and its verdict, `page` renders it.
"""
