"""What a report may cite: only what a study used is printed."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from soilscope.report.document import Reference

__all__ = ["METRIC_SOURCES", "REFERENCES", "cited"]

_ALL = (
    Reference(
        "Wieland et al. 2021",
        "Wieland R. et al. 2021. Use of deep learning for structural analysis of computer tomography images of soil "
        "samples. R. Soc. Open Sci. 8: 201275.",
        "10.1098/rsos.201275",
    ),
    Reference(
        "Hildebrand & Rüegsegger 1997",
        "Hildebrand T., Rüegsegger P. 1997. A new method for the model-independent assessment of thickness in "
        "three-dimensional images. J. Microsc. 185: 67–75.",
        "10.1046/j.1365-2818.1997.1340694.x",
    ),
    Reference(
        "Renard & Allard 2013",
        "Renard P., Allard D. 2013. Connectivity metrics for subsurface flow and transport. Adv. Water Resour. 51: "
        "168–196.",
        "10.1016/j.advwatres.2011.12.001",
    ),
    Reference(
        "Vogel et al. 2010",
        "Vogel H.-J., Weller U., Schlüter S. 2010. Quantification of soil structure based on Minkowski functions. "
        "Comput. Geosci. 36: 1236–1245.",
        "10.1016/j.cageo.2010.03.007",
    ),
    Reference(
        "Legland et al. 2007",
        "Legland D., Kiêu K., Devaux M.-F. 2007. Computation of Minkowski measures on 2D and 3D binary images. "
        "Image Anal. Stereol. 26: 83–92.",
        "10.5566/ias.v26.p83-92",
    ),
    Reference(
        "Katz & Thompson 1986",
        "Katz A.J., Thompson A.H. 1986. Quantitative prediction of permeability in porous rock. Phys. Rev. B 34: "
        "8179–8181.",
        "10.1103/PhysRevB.34.8179",
    ),
    Reference(
        "Truong et al. 2020",
        "Truong C., Oudre L., Vayatis N. 2020. Selective review of offline change point detection methods. Signal Process. "
        "167: 107299.",
        "10.1016/j.sigpro.2019.107299",
    ),
    Reference(
        "Canny 1986",
        "Canny J. 1986. A computational approach to edge detection. IEEE Trans. Pattern Anal. Mach. Intell. 8: 679–698.",
        "10.1109/TPAMI.1986.4767851",
    ),
    Reference(
        "Davey et al. 2011",
        "Davey E. et al. 2011. Use of computed tomography imaging for quantifying coarse roots, rhizomes, peat, and "
        "particle densities in marsh soils. Ecol. Appl. 21: 2156–2171.",
        "10.1890/10-2037.1",
    ),
    Reference(
        "Koestel 2018",
        "Koestel J. 2018. SoilJ: An ImageJ plugin for the semiautomatic processing of three-dimensional X-ray images of "
        "soils. Vadose Zone J. 17: 170062.",
        "10.2136/vzj2017.03.0062",
    ),
    Reference(
        "Sato et al. 1998",
        "Sato Y. et al. 1998. Three-dimensional multi-scale line filter for segmentation and visualization of curvilinear "
        "structures in medical images. Med. Image Anal. 2: 143–168.",
        "10.1016/S1361-8415(98)80009-1",
    ),
    Reference(
        "Simonyan & Zisserman 2015",
        "Simonyan K., Zisserman A. 2015. Very deep convolutional networks for large-scale image recognition. ICLR.",
        "10.48550/arXiv.1409.1556",
    ),
    Reference(
        "He et al. 2015",
        "He K., Zhang X., Ren S., Sun J. 2015. Delving deep into rectifiers. Proc. ICCV: 1026–1034.",
        "10.1109/ICCV.2015.123",
    ),
    Reference(
        "Loshchilov & Hutter 2019",
        "Loshchilov I., Hutter F. 2019. Decoupled weight decay regularization. ICLR.",
        "10.48550/arXiv.1711.05101",
    ),
    Reference(
        "Roberts et al. 2017",
        "Roberts D.R. et al. 2017. Cross-validation strategies for data with temporal, spatial, hierarchical, or "
        "phylogenetic structure. Ecography 40: 913–929.",
        "10.1111/ecog.02881",
    ),
    Reference(
        "Chvátal 1979",
        "Chvátal V. 1979. A greedy heuristic for the set-covering problem. Math. Oper. Res. 4: 233–235.",
        "10.1287/moor.4.3.233",
    ),
    Reference(
        "Selvaraju et al. 2017",
        "Selvaraju R.R. et al. 2017. Grad-CAM: visual explanations from deep networks via gradient-based "
        "localization. Proc. ICCV: 618–626.",
        "10.1109/ICCV.2017.74",
    ),
    Reference(
        "Adebayo et al. 2018",
        "Adebayo J. et al. 2018. Sanity checks for saliency maps. NeurIPS 31.",
        "10.48550/arXiv.1810.03292",
    ),
    Reference(
        "Iglewicz & Hoaglin 1993",
        "Iglewicz B., Hoaglin D.C. 1993. How to detect and handle outliers. ASQC Basic References in Quality Control 16. "
        "ASQC Quality Press, Milwaukee.",
    ),
    Reference(
        "Baveye et al. 2010",
        "Baveye P.C. et al. 2010. Observer-dependent variability of the thresholding step in the quantitative "
        "analysis of soil images and X-ray microtomography data. Geoderma 157: 51–63.",
        "10.1016/j.geoderma.2010.03.015",
    ),
    Reference(
        "Rabot et al. 2018",
        "Rabot E., Wiesmeier M., Schlüter S., Vogel H.-J. 2018. Soil structure as an indicator of soil functions: a review. "
        "Geoderma 314: 122–137.",
    ),
    Reference(
        "Harrigan & Mann 1984",
        "Harrigan T.P., Mann R.W. 1984. Characterization of microstructural anisotropy in orthotropic materials using a second "
        "rank tensor. J. Mater. Sci. 19: 761–767.",
        "10.1007/BF00540446",
    ),
)
REFERENCES = MappingProxyType({reference.key: reference for reference in _ALL})
METRIC_SOURCES = MappingProxyType(
    {
        "porosity": "Wieland et al. 2021",
        "local-thickness": "Hildebrand & Rüegsegger 1997",
        "connection-3d": "Renard & Allard 2013",
        "connection-2d": "Renard & Allard 2013",
        "log-connection-2d": "Renard & Allard 2013",
        "euler-2d": "Vogel et al. 2010",
        "euler-3d": "Vogel et al. 2010",
        "surface-density": "Legland et al. 2007",
        "critical-diameter": "Katz & Thompson 1986",
        "euler-3d-open": "Vogel et al. 2010",
        "perimeter-density": "Legland et al. 2007",
        "median-diameter": "Hildebrand & Rüegsegger 1997",
        "distance": "Rabot et al. 2018",
        "fractal-dimension": "Rabot et al. 2018",
        "anisotropy": "Harrigan & Mann 1984",
    }
)
"""Where a metric's definition is taken from."""


def cited(texts: Iterable[str]) -> tuple[Reference, ...]:
    """The references whose key stands in any of the texts, in alphabetical order.

    Examples
    --------
    >>> [r.doi for r in cited(["a greedy cover (Chvátal 1979)"])]
    ['10.1287/moor.4.3.233']
    """
    everything = "\n".join(texts)
    return tuple(sorted((r for key, r in REFERENCES.items() if key in everything), key=lambda r: r.text))
