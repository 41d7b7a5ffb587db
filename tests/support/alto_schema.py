"""A schema of what ALTO 4.4 asks of the elements that are written: order, attributes, and the types of these.

Restated from the standard's own schema (namespace ns-v4#, version 4.4), whose other elements and attributes it lacks:
what passes here passes there.
"""

from __future__ import annotations

_BOX = """
    <xs:attribute name="HPOS" type="xs:float"/><xs:attribute name="VPOS" type="xs:float"/>
    <xs:attribute name="WIDTH" type="xs:float"/><xs:attribute name="HEIGHT" type="xs:float"/>
"""

_SHARE = """
    <xs:restriction base="xs:float"><xs:minInclusive value="0"/><xs:maxInclusive value="1"/></xs:restriction>
"""

ALTO = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://www.loc.gov/standards/alto/ns-v4#"
    targetNamespace="http://www.loc.gov/standards/alto/ns-v4#" elementFormDefault="qualified">
  <xs:simpleType name="share">{_SHARE}</xs:simpleType>
  <xs:element name="alto"><xs:complexType>
    <xs:sequence>
      <xs:element name="Description" type="description" minOccurs="0"/>
      <xs:element name="Tags" type="tags" minOccurs="0"/>
      <xs:element name="Layout"><xs:complexType><xs:sequence>
        <xs:element name="Page" type="page" maxOccurs="unbounded"/>
      </xs:sequence></xs:complexType></xs:element>
    </xs:sequence>
    <xs:attribute name="SCHEMAVERSION" type="xs:string"/>
  </xs:complexType></xs:element>
  <xs:complexType name="description"><xs:sequence>
    <xs:element name="MeasurementUnit"><xs:simpleType><xs:restriction base="xs:string">
      <xs:enumeration value="pixel"/><xs:enumeration value="mm10"/><xs:enumeration value="inch1200"/>
    </xs:restriction></xs:simpleType></xs:element>
    <xs:element name="Processing" minOccurs="0" maxOccurs="unbounded"><xs:complexType>
      <xs:sequence>
        <xs:element name="processingCategory" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string">
          <xs:enumeration value="contentGeneration"/><xs:enumeration value="contentModification"/>
          <xs:enumeration value="preOperation"/><xs:enumeration value="postOperation"/><xs:enumeration value="other"/>
        </xs:restriction></xs:simpleType></xs:element>
        <xs:element name="processingStepSettings" type="xs:string" minOccurs="0"/>
        <xs:element name="processingSoftware" minOccurs="0"><xs:complexType><xs:sequence>
          <xs:element name="softwareName" type="xs:string" minOccurs="0"/>
        </xs:sequence></xs:complexType></xs:element>
      </xs:sequence>
      <xs:attribute name="ID" type="xs:ID" use="required"/>
    </xs:complexType></xs:element>
  </xs:sequence></xs:complexType>
  <xs:complexType name="tags"><xs:sequence>
    <xs:element name="StructureTag" minOccurs="0" maxOccurs="unbounded"><xs:complexType>
      <xs:attribute name="ID" type="xs:ID" use="required"/><xs:attribute name="LABEL" type="xs:string" use="required"/>
    </xs:complexType></xs:element>
  </xs:sequence></xs:complexType>
  <xs:complexType name="page">
    <xs:sequence><xs:element name="PrintSpace" minOccurs="0"><xs:complexType>
      <xs:sequence><xs:group ref="block" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>{_BOX}
    </xs:complexType></xs:element></xs:sequence>
    <xs:attribute name="ID" type="xs:ID" use="required"/>
    <xs:attribute name="PHYSICAL_IMG_NR" type="xs:float" use="required"/>
    <xs:attribute name="WIDTH" type="xs:float"/><xs:attribute name="HEIGHT" type="xs:float"/>
    <xs:attribute name="PROCESSINGREFS" type="xs:IDREFS"/>
    <xs:attribute name="ROTATION" type="xs:float"/><xs:attribute name="PC" type="share"/>
  </xs:complexType>
  <xs:group name="block"><xs:choice>
    <xs:element name="TextBlock"><xs:complexType><xs:complexContent><xs:extension base="blockType">
      <xs:sequence minOccurs="0"><xs:element name="TextLine" type="line" maxOccurs="unbounded"/></xs:sequence>
    </xs:extension></xs:complexContent></xs:complexType></xs:element>
    <xs:element name="ComposedBlock"><xs:complexType><xs:complexContent><xs:extension base="blockType">
      <xs:sequence minOccurs="0" maxOccurs="unbounded"><xs:group ref="block"/></xs:sequence>
      <xs:attribute name="TYPE" type="xs:string"/>
    </xs:extension></xs:complexContent></xs:complexType></xs:element>
  </xs:choice></xs:group>
  <xs:complexType name="blockType">
    <xs:attribute name="ID" type="xs:ID" use="required"/><xs:attribute name="TAGREFS" type="xs:IDREFS"/>{_BOX}
  </xs:complexType>
  <xs:complexType name="line">
    <xs:sequence>
      <xs:sequence maxOccurs="unbounded">
        <xs:element name="String" type="string"/>
        <xs:element name="SP" minOccurs="0"><xs:complexType>{_BOX}</xs:complexType></xs:element>
      </xs:sequence>
      <xs:element name="HYP" minOccurs="0"><xs:complexType>{_BOX}
        <xs:attribute name="CONTENT" type="xs:string" use="required"/>
      </xs:complexType></xs:element>
    </xs:sequence>
    <xs:attribute name="ID" type="xs:ID"/><xs:attribute name="BASELINE" type="xs:string"/>{_BOX}
  </xs:complexType>
  <xs:complexType name="string">
    <xs:attribute name="CONTENT" type="xs:string" use="required"/><xs:attribute name="WC" type="share"/>
    <xs:attribute name="SUBS_TYPE"><xs:simpleType><xs:restriction base="xs:string">
      <xs:enumeration value="HypPart1"/><xs:enumeration value="HypPart2"/><xs:enumeration value="Abbreviation"/>
    </xs:restriction></xs:simpleType></xs:attribute>
    <xs:attribute name="SUBS_CONTENT" type="xs:string"/>{_BOX}
  </xs:complexType>
</xs:schema>
"""
