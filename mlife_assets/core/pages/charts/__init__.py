"""Charts of all pages as inline SVG: over days (`days`), differences with intervals and what was said
against what happened (`intervals`), what was done when (`lanes`). `values` is what they draw, `scales` their axes.

Markup names roles (`c-main`, `m-retrain`) and the style sheet gives each a colour per scheme. Nothing is said by colour
alone: lines differ in form, markers in shape, and a table or a sentence beside a drawing repeats it.
"""
