"""Charts of all pages as inline SVG: over days and lanes of acts (`days`), differences with intervals and
predictions against outcomes (`intervals`). `values` has their data and axes.

Markup names roles (`c-main`, `m-retrain`) and the style sheet gives each a colour per scheme. Nothing is said by colour
alone: lines differ in form, markers in shape, and a table or a sentence beside a drawing repeats it.
"""
