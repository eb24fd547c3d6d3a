import './denoising-figure'
import './round-trip-figure'
import './similarity-figure'
