"""Where a completion ends: rules, one a file, each a pure function of the text so far, and what joins them."""
