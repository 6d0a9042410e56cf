"""The live player in a notebook: policies act in the browser, with physics, neurons, sliders. The page is in web/."""
