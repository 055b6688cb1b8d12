"""Charts of all pages as inline SVG: over days and lanes of acts (`days`), differences with intervals and predictions
against outcomes (`intervals`). `values` has their data and axes.

Markup names roles (`c-main`, `m-retrain`) and the style sheet gives each a colour per scheme. Colour never carries
meaning alone: lines differ in form, markers in shape, and a table or a sentence repeats the drawing.
"""
